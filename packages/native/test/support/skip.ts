import { spawnSync } from "node:child_process"
import { available, reason } from "../../src/index.ts"

/** The reason goes into the title: a skip that doesn't give its reason looks like a pass. */
export function titled(title: string, why: string | undefined): string {
  return why === undefined ? title : `${title} (skipped: ${why})`
}

/** Why tests that need the compiled helper can't run here. */
export const noHelper: string | undefined = available ? undefined : `no native helper: ${reason}`

/** Why nothing can be compiled here; a helper compiled earlier may still exist. */
export const noCompiler: string | undefined =
  noHelper ??
  ([process.env["CC"] ?? "cc", "gcc", "clang"].some((cc) => spawnSync(cc, ["--version"]).status === 0)
    ? undefined
    : "no C compiler")
