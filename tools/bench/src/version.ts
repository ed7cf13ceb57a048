/** The version of what is measured: results for other sources or dependencies say nothing about these. */

import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("../../../", import.meta.url))
const WATCHED = ["packages/*/src", "tools/bench/src", "pnpm-lock.yaml"].map(
  (path) => `:(glob)${path}${path.includes(".") ? "" : "/**"}`,
)

/**
 * The commit that changed them last, and Node's version; `undefined` if it couldn't be told later what was measured:
 * with uncommitted changes, or without git.
 */
export function versionOfSources(): string | undefined {
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" })
    return status === 0 ? stdout.trim() : undefined
  }
  if (git("status", "--porcelain", "--", ...WATCHED) !== "") return undefined
  const commit = git("log", "-1", "--format=%h", "--", ...WATCHED)
  return commit === undefined || commit === "" ? undefined : `${commit} ${process.version}`
}
