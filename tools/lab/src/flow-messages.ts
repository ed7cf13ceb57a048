/** What a flow's processes are told and say. */

/** The job of a flow, as both of its processes get it; the sender also gets the receiver's port. */
export interface FlowTask {
  readonly library: string
  readonly bytes: number
  /** 0: as fast as they go. */
  readonly perSecond: number
  /** For libraries that don't find it out. */
  readonly datagramBytes: number
  readonly options: Readonly<Record<string, unknown>>
  readonly own: string
  readonly other: string
  readonly port?: number
}

export interface Order {
  readonly what: "go" | "measure"
  readonly runMs: number
}

/** What was received in the time that was measured. */
export interface Received {
  readonly count: number
  readonly ms: number
  /** Messages in each 100 ms. */
  readonly bins: readonly number[]
  /** Silences of 20 ms and more: when they began in the measured time, and how long they were, milliseconds. */
  readonly gaps: readonly (readonly [fromMs: number, ms: number])[]
}

export interface Report extends Received {
  readonly cpuUs: number
  readonly p50Us?: number
  readonly p99Us?: number
  readonly p999Us?: number
  /** Why the connection failed, if it did. */
  readonly failure?: string | undefined
}

export type Said =
  | { readonly what: "ready"; readonly port: number; readonly settings: string }
  | { readonly what: "connected" }
  | { readonly what: "missing"; readonly why: string }
  | { readonly what: "failed"; readonly why: string }
  | ({ readonly what: "report" } & Report)
