import { spawnSync } from "node:child_process"
import { available, reason } from "../../src/index.ts"

/** The reason stands in the title: a skip that doesn't say why looks like a pass. */
export function titled(title: string, why: string | undefined): string {
  return why === undefined ? title : `${title} (skipped: ${why})`
}

/** Why nothing that needs the compiled helper can run here. */
export const noHelper: string | undefined = available ? undefined : `no native helper: ${reason}`

/** Why nothing can be compiled here, though a helper that was compiled before may be there. */
export const noCompiler: string | undefined =
  noHelper ??
  ([process.env["CC"] ?? "cc", "gcc", "clang"].some((cc) => spawnSync(cc, ["--version"]).status === 0)
    ? undefined
    : "no C compiler")
