/** The processes of a run. */

import type { ChildProcess } from "node:child_process"

/** The next message of the process. */
export function answerOf<T>(child: ChildProcess, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`a process said nothing for ${timeoutMs} ms`)), timeoutMs)
    const settle = (act: () => void): void => {
      clearTimeout(timer)
      act()
    }
    child.once("message", (message: T) => settle(() => resolve(message)))
    child.once("exit", (code, signal) =>
      settle(() => reject(new Error(`a process ended by ${signal ?? `code ${code}`}`))),
    )
    child.once("error", (error) => settle(() => reject(error)))
  })
}

/** Kills the process and waits for its end. */
export function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.removeAllListeners()
    child.once("exit", () => resolve())
    child.kill("SIGKILL")
  })
}
