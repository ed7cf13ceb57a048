/**
 * Turns messages into packet payloads and back. All it knows of the stream below is a place to write payloads.
 *
 * @module
 */

export { Assembler, type AssemblerOptions, NO_PROGRESS_MS, type PieceVerdict } from "./assembler.ts"
export { Assembly, type AssemblyOwner } from "./assembly.ts"
export {
  AssemblyBudget,
  type BudgetAllowance,
  GIVE_UP_MS,
  PROMISE_MS,
  type Promised,
  STALE_MS,
  type Yielder,
} from "./budget.ts"
export { BufferPool } from "./buffer-pool.ts"
export {
  abandonMessage,
  appendWhole,
  fitsWhole,
  LargeMessage,
  messageBytesLimit,
  packetsNeeded,
  type MessageSink,
  type PayloadSink,
  PIECES_MAX,
  reserveWhole,
  writeWhole,
} from "./message-writer.ts"
