import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { ARROWS } from "../architecture.mjs"

/** A workspace that keeps every rule, with `files` planted in it; removed when `use` is done. */
export async function withWorkspace<T>(
  files: Record<string, string>,
  use: (root: string) => T | Promise<T>,
): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "layers-"))
  try {
    for (const [path, text] of Object.entries({ ...sound(), ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    mkdirSync(join(root, "node_modules/@x"), { recursive: true })
    for (const name of Object.keys(ARROWS))
      symlinkSync(join(root, "packages", name), join(root, "node_modules/@x", name), "junction")
    return await use(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

export function manifest(
  name: string,
  dependencies: Record<string, string>,
  optionalDependencies: Record<string, string> = {},
): string {
  const exports = { ".": { "@x/source": "./src/index.ts" } }
  return JSON.stringify({
    name: `@x/${name}`,
    version: "0.0.0",
    type: "module",
    exports,
    dependencies,
    optionalDependencies,
  })
}

function sound(): Record<string, string> {
  const files: Record<string, string> = { "packages/transport/src/simulated/index.ts": "export const simulated = 1\n" }
  for (const [name, arrows] of Object.entries(ARROWS) as [string, Record<string, string>][]) {
    const to = (kind: string): Record<string, string> =>
      Object.fromEntries(
        Object.keys(arrows).flatMap((arrow) => (arrows[arrow] === kind ? [[`@x/${arrow}`, "0.0.0"]] : [])),
      )
    const imports = Object.entries(arrows).map(([arrow, kind]) =>
      kind === "dynamic"
        ? `export const load${arrow} = () => import("@x/${arrow}")\n`
        : `import { ${arrow} } from "@x/${arrow}"\nvoid ${arrow}\n`,
    )
    files[`packages/${name}/package.json`] = manifest(name, to("static"), to("dynamic"))
    files[`packages/${name}/src/index.ts`] = `${imports.join("")}export const ${name} = "${name}"\n`
  }
  return files
}
