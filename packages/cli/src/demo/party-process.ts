import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Report, Task } from "./party.ts"

const PARTY = fileURLToPath(new URL("party.js", import.meta.url))
/** Milliseconds to stop in; a goodbye takes less. */
const STOP_MS = 8_000

/** A process of the demo, as the main process sees it. When disposed of, it says goodbye and ends. */
export class PartyProcess implements AsyncDisposable {
  onProgress: (written: number) => void = () => {}
  readonly #child: ChildProcess
  readonly #role: string
  readonly #signal: AbortSignal
  readonly #reports = new Map<Report["kind"], Report>()
  #failure: Error | undefined
  #wake: () => void = () => {}

  constructor(task: Task, signal: AbortSignal) {
    this.#role = task.role
    this.#signal = signal
    this.#child = fork(PARTY, [JSON.stringify(task)])
    this.#child.on("message", (report: Report) => this.#handle(report))
    this.#child.on("error", (error) => this.#fail(error.message))
    this.#child.on("exit", (code, by) => this.#fail(`it ended with ${by ?? `exit code ${code}`}`))
    signal.addEventListener("abort", () => this.#wake())
  }

  /** Waits for the first report of a kind. Rejects when the process fails or ends, or the signal aborts. */
  async report<K extends Report["kind"]>(kind: K): Promise<Extract<Report, { kind: K }>> {
    for (;;) {
      const report = this.#reports.get(kind)
      if (report !== undefined) return report as Extract<Report, { kind: K }>
      if (this.#failure !== undefined) throw this.#failure
      this.#signal.throwIfAborted()
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS)
    if (this.#child.connected) this.#child.send("stop")
    await once(this.#child, "exit")
    clearTimeout(timer)
  }

  #handle(report: Report): void {
    if (report.kind === "progress") return this.onProgress(report.written)
    if (report.kind === "failed") return this.#fail(report.why)
    this.#reports.set(report.kind, report)
    this.#wake()
  }

  #fail(why: string): void {
    this.#failure ??= new Error(`the process that was to ${this.#role} failed: ${why}`)
    this.#wake()
  }
}
