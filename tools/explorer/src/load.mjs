// Loads the explorer with the machines' private fields made public, so that a state can be copied and compared as a
// whole. Nothing else in them is changed.
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Sources } from "../../defects/index.mjs"

const here = dirname(fileURLToPath(import.meta.url))
const sources = new Sources(dirname(dirname(dirname(here))))

/** The modules of the explorer's `index.ts`; `defects` are put into the sources, to see that they are found. */
export async function load(defects = []) {
  // The test runner's own copy: the project has no other use for it.
  const require = createRequire(createRequire(import.meta.url).resolve("vitest/package.json"))
  const vite = await import(pathToFileURL(require.resolve("vite")).href)
  // Paths in the loader's form.
  const planted = new Map([...sources.plant(defects)].map(([path, text]) => [path.replaceAll("\\", "/"), text]))
  const loaded = new Set()
  const withDefects = (code, id) => {
    loaded.add(id)
    return planted.get(id) ?? code
  }
  const { module } = await vite.runnerImport(join(here, "index.ts"), {
    root: here,
    configFile: false,
    logLevel: "error",
    resolve: { conditions: ["@x/source"] },
    ssr: { noExternal: /^@x\// },
    environments: { inline: { resolve: { conditions: ["@x/source"], noExternal: [/^@x\//] } } },
    plugins: [
      { name: "plain-fields", enforce: "pre", transform: (code, id) => plainFields(withDefects(code, id), id) },
    ],
  })
  for (const path of planted.keys()) if (!loaded.has(path)) throw new Error(`${path} has a defect, and is not loaded`)
  return module
}

function plainFields(code, id) {
  if (!/(packages\/\w+|tools\/explorer)\/src\/.*\.ts$/.test(id)) return undefined
  return code.replaceAll(/(?<=[\s.(!{[]|^)#(?=[a-zA-Z])/gm, "p$$")
}
