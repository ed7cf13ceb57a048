/** Of what is measured: what was measured of other sources, or of other dependencies, says nothing of these. */

import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("../../../", import.meta.url))
const WATCHED = ["packages/*/src", "tools/bench/src", "pnpm-lock.yaml"].map(
  (path) => `:(glob)${path}${path.includes(".") ? "" : "/**"}`,
)

/**
 * The commit that changed them last, and Node's version; `undefined` where nobody could say later what was measured:
 * with changes that aren't committed, or without git.
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
