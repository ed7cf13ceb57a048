import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, test, vi } from "vitest"
import { candidates, load, platformName } from "../src/binding.ts"
import { noHelper, titled } from "./support/skip.ts"

describe("loading the helper", () => {
  const directory = mkdtempSync(join(tmpdir(), "x-native-"))
  afterAll(() => rmSync(directory, { recursive: true }))

  function file(name: string, text: string): string {
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  }

  test("nothing there is a reason, not an error", () => {
    const { binding, reason } = load([join(directory, "missing.node"), "@x/no-such-package"])
    expect(binding).toBeUndefined()
    expect(reason).toMatch(/\S/)
  })

  test("a file that is no library is a reason, in one line", () => {
    const { binding, reason } = load([file("garbage.node", "not a library\n")])
    expect(binding).toBeUndefined()
    expect(reason).toContain("garbage.node")
    expect(reason).not.toContain("\n")
  })

  test("one for another version of the package is refused by number", () => {
    const { binding, reason } = load([file("old.cjs", "exports.interfaceVersion = 0")])
    expect(binding).toBeUndefined()
    expect(reason).toContain("has interface 0, needed is 7")
  })

  test.skipIf(noHelper !== undefined)(titled("the next candidate is taken after one that fails", noHelper), () => {
    expect(load([file("garbage2.node", ""), "@x/no-such-package", ...candidates()]).binding).toBeDefined()
  })

  test("a package for the platform is asked before the compiled file", () => {
    expect(candidates()[0]).toBe(`@x/native-${platformName()}`)
    expect(candidates()[1]).toMatch(/x-native\.node$/)
  })

  test("the platform is named for its libc by what the process has loaded: glibc goes without saying", () => {
    const platform = `${process.platform}-${process.arch}`
    expect(platformName("7f0 r-xp /lib/ld-musl-x86_64.so.1\n")).toBe(`${platform}-musl`)
    expect(platformName("7f0 r-xp /usr/lib/x86_64-linux-gnu/libc.so.6\n")).toBe(platform)
    expect(platformName("")).toBe(platform)
  })

  test("a platform without a package is a reason that says how to make one", () => {
    expect(load([]).reason).toMatch(/is not installed.*node-api-headers.*build\.mjs|not compiled/)
  })
})

test("without a helper the package can be imported, says why, and each function throws by name", async () => {
  vi.resetModules()
  vi.doMock("../src/binding.ts", () => ({
    candidates: () => [],
    load: () => ({ binding: undefined, reason: "none of the kind" }),
  }))
  const native = await import("../src/index.ts")
  expect(native.available).toBe(false)
  expect(native.reason).toBe("none of the kind")
  const calls = [
    () => native.openSocket({ family: 4, host: "127.0.0.1" }),
    () => native.close(0),
    () => native.getOption(0, "SOL_SOCKET", "SO_RCVBUF"),
    () => native.setOption(0, "SOL_SOCKET", "SO_RCVBUF", 1),
  ]
  for (const call of calls) expect(call).toThrow(expect.objectContaining({ code: "ERR_NATIVE_UNAVAILABLE" }))
  vi.doUnmock("../src/binding.ts")
})
