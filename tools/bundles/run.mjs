// Bundles programs as users do, and runs them: for Node as ESM and as CommonJS, alone and with the native helper beside
// it; and for a browser, without anything from Node.
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { build } from "esbuild"
import { root, writeSummary } from "../summary.mjs"

const sources = join(root, "tools/bundles/src")
const helper = join(root, "packages/native/build/x-native.node")
const folder = mkdtempSync(join(tmpdir(), "bundles-"))
const summary = { passed: 0, failed: 0, skipped: [] }
const options = {
  bundle: true,
  minify: true,
  logLevel: "silent",
  metafile: true,
  absWorkingDir: join(root, "tools/bundles"),
}
try {
  for (const format of ["esm", "cjs"]) {
    const file = join(folder, format, `program.${format === "esm" ? "mjs" : "cjs"}`)
    await check(`${format}: is bundled`, async () => {
      // A CommonJS bundle finds elsewhere what `import.meta` would tell.
      const logOverride = { "empty-import-meta": "silent" }
      await build({
        ...options,
        entryPoints: [join(sources, "node.mjs")],
        platform: "node",
        format,
        outfile: file,
        logOverride,
      })
    })
    await check(`${format}: alone it works, and says once what it lacks`, () => echoes(file, false))
    await check(`${format}: what was chosen is not told`, () => echoes(file, false, { X_TRANSPORT: "dgram" }, 0))
    if (existsSync(helper)) {
      copyFileSync(helper, join(folder, format, "x-native.node"))
      await check(`${format}: with x-native.node beside it nothing is lacking`, () => echoes(file, true))
    } else
      summary.skipped.push({ name: `${format}: with x-native.node beside it`, reason: "there is no C compiler here" })
  }
  const page = join(folder, "page.js")
  await check("browser: is bundled, with nothing of Node", async () => {
    const entry = {
      entryPoints: [join(sources, "browser.mjs")],
      platform: "browser",
      format: "iife",
      globalName: "page",
    }
    const { metafile } = await build({ ...options, ...entry, outfile: page })
    const odd = Object.keys(metafile.inputs).filter((input) =>
      /system-host|system-crypto|packages\/native\//.test(input),
    )
    if (odd.length > 0) throw new Error(`it holds ${odd.join(", ")}`)
    console.log(`     ${(gzipSync(readFileSync(page)).length / 1000).toFixed(1)} kB gzip, with the simulated network`)
  })
  let said
  await check("browser: echoes where there are the globals of browsers only", () => {
    said = withoutNode(page)
    expectPage(said)
  })
  const chromium = ["chromium", "chromium-browser", "google-chrome"].find(
    (name) => spawnSync(name, ["--version"]).status === 0,
  )
  if (chromium === undefined)
    summary.skipped.push({ name: "browser: echoes in Chromium", reason: "it is not installed" })
  else
    await check("browser: echoes in Chromium, the same datagrams", () => {
      const dom = inChromium(chromium, page)
      expectPage(dom)
      if (dom !== said) throw new Error(`${dom} is not ${said}`)
    })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const { name, reason } of summary.skipped) console.log(`skipped: ${name}: ${reason}`)
writeSummary(summary)
process.exitCode = summary.failed === 0 && summary.passed > 0 ? 0 : 1

async function check(what, run) {
  try {
    await run()
    summary.passed++
    console.log(`ok   ${what}`)
  } catch (error) {
    summary.failed++
    console.log(`FAIL ${what}: ${error.message}`)
  }
}

/** Runs a program and checks its output, including warnings on a system where more would be possible. */
function echoes(file, isFast, env = {}, warnings = isFast || process.platform !== "linux" ? 0 : 1) {
  const { NODE_ENV: _, X_TRANSPORT: __, ...inherited } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    env: { ...inherited, ...env },
    encoding: "utf8",
    timeout: 30_000,
  })
  if (status !== 0) throw new Error(`it ended with ${status}: ${stderr}`)
  const expected = JSON.stringify({ answer: "hello", batch: isFast, dontFragment: isFast })
  if (stdout.trim() !== expected) throw new Error(`it said ${stdout.trim()}, not ${expected}; ${stderr}`)
  const told = [...stderr.matchAll(/X_TRANSPORT_LESS/g)].length
  if (told !== warnings || /Invalid URL/.test(stderr))
    throw new Error(`it warned ${told} times, not ${warnings}: ${stderr}`)
}

function expectPage(said) {
  const { answer, unbound } = JSON.parse(said)
  if (answer !== "hello") throw new Error(`the answer is ${answer}`)
  if (!/name a host/.test(unbound)) throw new Error(`without a host it says: ${unbound}`)
}

/** Runs the page in its own process, without the globals that browsers lack. */
function withoutNode(page) {
  const code = `
    const { runInThisContext } = require("node:vm")
    const text = require("node:fs").readFileSync(${JSON.stringify(page)}, "utf8")
    const [{ log }, { exit }] = [console, process]
    for (const name of ["process", "Buffer", "setImmediate", "clearImmediate", "global", "require", "module"]) delete globalThis[name]
    runInThisContext(text + ";page.main()").then((said) => { log(said); exit(0) }, (error) => { log(error); exit(1) })`
  const { status, stdout, stderr } = spawnSync(process.execPath, ["-e", code], { encoding: "utf8", timeout: 60_000 })
  if (status !== 0) throw new Error(`it ended with ${status}: ${stdout}${stderr}`)
  return stdout.trim()
}

function inChromium(command, page) {
  const html = join(folder, "page.html")
  const script = `page.main().then((said) => { document.body.textContent = said }, (error) => { document.body.textContent = String(error) })`
  writeFileSync(html, `<!doctype html><body><script src="${page}"></script><script>${script}</script>`)
  const flags = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
  ]
  const { stdout, stderr, status } = spawnSync(
    command,
    [...flags, "--virtual-time-budget=10000", "--dump-dom", `file://${html}`],
    {
      encoding: "utf8",
      timeout: 60_000,
    },
  )
  const found = /\{"answer".*\}/.exec(stdout)?.[0]
  if (found === undefined)
    throw new Error(`it ended with ${status} and showed ${stdout.slice(-200)} ${stderr.slice(-200)}`)
  return found
}
