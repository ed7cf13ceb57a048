import { undecodableError } from "../errors.ts"
import type { RequestError } from "../request-error.ts"
import type { SingleRequest } from "../request-type.ts"
import { Asked } from "./asked.ts"

let resolveNext: (value: unknown) => void
let rejectNext: (error: unknown) => void
/** Made once: it is called at once by the promise that it is given to. */
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  resolveNext = resolve
  rejectNext = reject
}

/** A request with one answer. */
export class Single extends Asked {
  readonly promise: Promise<unknown>
  readonly #resolve: (value: unknown) => void
  readonly #reject: (error: unknown) => void

  constructor(request: SingleRequest<unknown, unknown>) {
    super(request)
    this.promise = new Promise(capture)
    this.#resolve = resolveNext
    this.#reject = rejectNext
  }

  override answer(bytes: Uint8Array): void {
    let value
    try {
      value = this.request.answer.decode(bytes)
    } catch (cause) {
      return this.#reject(undecodableError(this.request.number, cause))
    }
    this.#resolve(value)
  }

  override fail(error: RequestError): void {
    this.#reject(error)
  }
}
