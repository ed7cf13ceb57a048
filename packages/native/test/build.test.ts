import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { noCompiler, titled } from "./support/skip.ts"

const packageDir = fileURLToPath(new URL("..", import.meta.url))
const headersDir = dirname(createRequire(import.meta.url).resolve("node-api-headers/package.json"))

/** A copy of the package, so that no test touches the binary that the others have loaded. */
let copy = ""

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "x-native-build-"))
  cpSync(join(packageDir, "src"), join(copy, "src"), { recursive: true })
  cpSync(join(packageDir, "build.mjs"), join(copy, "build.mjs"))
  mkdirSync(join(copy, "node_modules"))
  symlinkSync(headersDir, join(copy, "node_modules/node-api-headers"), "dir")
})

afterEach(() => rmSync(copy, { recursive: true }))

function build(env: Record<string, string> = {}, ...flags: string[]): { status: number | null; lines: string[] } {
  const result = spawnSync(process.execPath, [...flags, join(copy, "build.mjs")], {
    encoding: "utf8",
    env: { ...process.env, CC: hastyCompiler(), ...env },
  })
  return { status: result.status, lines: (result.stdout + result.stderr).split("\n").filter((line) => line !== "") }
}

const binary = () => join(copy, "build/x-native.node")
const reason = () => readFileSync(join(copy, "build/reason.txt"), "utf8")

function compiler(name: string, script: string): string {
  const path = join(copy, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

/** A compiler that prints its version but fails to compile. */
function failingCompiler(): string {
  return compiler(
    "failing-cc",
    `[ "$1" = --version ] && echo "failing 1.0" && exit 0\necho "a.c:1: error: no" >&2\nexit 1`,
  )
}

/** The machine's compiler, without the optimization that takes most of its time. */
function hastyCompiler(): string {
  return compiler("hasty-cc", `exec cc "$@" -O0`)
}

describe("building never fails", () => {
  test("no compiler: one line that says why and what it means", () => {
    const { status, lines } = build({ CC: "/no/such/compiler" })
    expect(status).toBe(0)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/no C compiler \(\/no\/such\/compiler\).*node:dgram/)
    expect(reason()).toMatch(/no C compiler/)
  })

  test("an unsupported platform: one line", () => {
    const windows = `data:text/javascript,Object.defineProperty(process,"platform",{value:"win32"})`
    const { status, lines } = build({}, "--import", windows)
    expect(status).toBe(0)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain("win32 is not supported")
  })

  test.skipIf(process.platform === "win32")(
    "a failing compiler: one line with its first error, and nothing half made",
    () => {
      const { status, lines } = build({ CC: failingCompiler() })
      expect(status).toBe(0)
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("a.c:1: error: no")
      expect(existsSync(binary())).toBe(false)
    },
  )

  test("no headers: one line", () => {
    rmSync(join(copy, "node_modules"), { recursive: true })
    const { status, lines } = build()
    expect(status).toBe(0)
    expect(lines).toHaveLength(1)
  })
})

describe("a package for a platform", () => {
  /** A package folder for a platform without a known compiler, unless the environment names one. */
  function folderFor(cpu: string): string {
    const at = join(copy, "platform")
    mkdirSync(at)
    const publishConfig = { os: ["linux"], cpu: [cpu], libc: ["musl"] }
    writeFileSync(join(at, "package.json"), JSON.stringify({ name: "@x/native-linux", publishConfig }))
    return at
  }
  const run = (env: Record<string, string>, ...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [join(copy, "build.mjs"), ...args], {
      encoding: "utf8",
      env: { ...process.env, ...env },
    })

  test("where its compiler is missing that is said, with the variable that names another, and nothing is made", () => {
    const folder = folderFor("riscv64")
    const { status, stdout } = run({ CC_LINUX_RISCV64_MUSL: "/no/such/compiler" }, "--probe", folder)
    expect(status).toBe(1)
    expect(stdout).toMatch(/no compiler for linux-riscv64-musl \(\/no\/such\/compiler.*\$CC_LINUX_RISCV64_MUSL/)
    expect(run({ CC_LINUX_RISCV64_MUSL: "/no/such/compiler" }, "--to", folder).status).not.toBe(0)
    expect(existsSync(join(folder, "x-native.node"))).toBe(false)
  })

  test.skipIf(noCompiler !== undefined)(
    titled("with one it holds the binary, and this machine's own is another", noCompiler),
    () => {
      const folder = folderFor("riscv64")
      const env = { CC_LINUX_RISCV64_MUSL: hastyCompiler() }
      expect(run(env, "--probe", folder).status).toBe(0)
      expect(run(env, "--to", folder).status).toBe(0)
      expect(existsSync(join(folder, "x-native.node"))).toBe(true)
      expect(existsSync(binary())).toBe(false)
    },
  )
})

describe.skipIf(noCompiler !== undefined)(titled("building", noCompiler), () => {
  test("compiles once, and again only when something changed", () => {
    expect(build().lines).toEqual([expect.stringContaining("compiled")])
    const { mtimeMs } = statSync(binary())
    expect(build()).toEqual({ status: 0, lines: [] })
    expect(statSync(binary()).mtimeMs).toBe(mtimeMs)
    const unit = join(copy, "src/c/module.c")
    writeFileSync(unit, `${readFileSync(unit, "utf8")}\n/* changed */\n`)
    expect(build().lines).toEqual([expect.stringContaining("compiled")])
    expect(statSync(binary()).mtimeMs).toBeGreaterThan(mtimeMs)
  })

  test.runIf(process.platform === "linux")("its stack and its copies are guarded", () => {
    // Without optimization there are no guarded copies.
    build({ CC: "cc" })
    const symbols = readFileSync(binary(), "latin1")
    expect(symbols).toContain("__stack_chk_fail")
    const { glibcVersionRuntime } = (process.report.getReport() as unknown as { header: Record<string, unknown> })
      .header
    if (glibcVersionRuntime !== undefined) expect(symbols).toMatch(/__(?:memcpy|memset|snprintf|vsnprintf)_chk/)
  })

  test("a binary of the same sources outlives its compiler, one of other sources doesn't", () => {
    build()
    expect(build({ CC: "/no/such/compiler" })).toEqual({ status: 0, lines: [] })
    expect(existsSync(binary())).toBe(true)
    writeFileSync(join(copy, "src/c/extra.c"), "typedef int extra;\n")
    expect(build({ CC: "/no/such/compiler" }).lines).toHaveLength(1)
    expect(existsSync(binary())).toBe(false)
  })

  test("a reason is forgotten once it compiles", () => {
    build({ CC: "/no/such/compiler" })
    build()
    expect(existsSync(join(copy, "build/reason.txt"))).toBe(false)
  })

  test("two at once both end well", async () => {
    const runs = [1, 2].map(() =>
      once(
        spawn(process.execPath, [join(copy, "build.mjs")], {
          stdio: "ignore",
          env: { ...process.env, CC: hastyCompiler() },
        }),
        "exit",
      ),
    )
    for (const run of runs) expect((await run)[0]).toBe(0)
    expect(createRequire(import.meta.url)(binary())).toHaveProperty("interfaceVersion")
  })
})
