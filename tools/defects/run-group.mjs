// Runs a program with all the processes that it starts, and ends all of them when its time is over: a worker that a
// planted defect keeps busy would go on for ever.
import { spawn } from "node:child_process"

/**
 * Resolves to the exit code, `null` if it was ended, and what it wrote to standard output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, timeoutMs: number }} options
 * @returns {Promise<{ status: number | null, stdout: string }>}
 */
export function runGroup(command, args, { cwd, timeoutMs }) {
  return new Promise((resolve, reject) => {
    // A group of its own, which one signal ends.
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "ignore"], detached: true })
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text))
    const timer = setTimeout(() => endGroup(child.pid), timeoutMs)
    child.on("error", reject)
    child.on("exit", () => {
      clearTimeout(timer)
      endGroup(child.pid)
    })
    child.on("close", (status) => resolve({ status, stdout }))
  })
}

function endGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL")
  } catch (error) {
    // All of them have ended.
    if (error.code !== "ESRCH") throw error
  }
}
