/**
 * Requests over message streams.
 *
 * @module
 */

export { type AnswerHandler, type AnswerOptions, type PartsHandler, type PartsOptions } from "./api/rpc.ts"
export { type RequestOptions, Rpc, type RpcOptions } from "./api/rpc.ts"
export type { Call } from "./answering/call.ts"
export { type Outcome, RequestError, type RequestErrorCode } from "./request-error.ts"
export {
  type AnyCodec,
  type AnyRequest,
  defineRequest,
  Parts,
  PartsRequest,
  SingleRequest,
  stream,
} from "./request-type.ts"
export type { AnsweringDrops, AskingDrops, RpcStats } from "./stats.ts"
