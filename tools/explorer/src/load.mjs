// Loads the explorer with the machines' private fields made plain: a state can then be copied and compared whole. Nothing else of them is changed.
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))

/** The modules of the explorer's `index.ts`; `defects` are put into the sources, to see that they are found. */
export async function load(defects = []) {
  // The test runner's own copy: the project needs it for nothing else.
  const require = createRequire(createRequire(import.meta.url).resolve("vitest/package.json"))
  const vite = await import(pathToFileURL(require.resolve("vite")).href)
  const missing = new Set(defects)
  const withDefects = (code, id) => {
    for (const defect of missing) {
      if (!id.endsWith(defect.file) || code.split(defect.from).length !== 2) continue
      missing.delete(defect)
      code = code.replace(defect.from, () => defect.to)
    }
    return code
  }
  const { module } = await vite.runnerImport(join(here, "index.ts"), {
    root: here,
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["@x/source"] },
    ssr: { noExternal: /^@x\// },
    environments: { inline: { resolve: { conditions: ["@x/source"], noExternal: [/^@x\//] } } },
    plugins: [{ name: "plain-fields", enforce: "pre", transform: (code, id) => plainFields(withDefects(code, id), id) }],
  })
  for (const { from } of missing) throw new Error(`no source has exactly one ${JSON.stringify(from)}`)
  return module
}

function plainFields(code, id) {
  if (!/(packages\/\w+|tools\/explorer)\/src\/.*\.ts$/.test(id)) return undefined
  return code.replaceAll(/(?<=[\s.(!{[]|^)#(?=[a-zA-Z])/gm, "p$$")
}
