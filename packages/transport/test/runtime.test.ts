import { afterEach, expect, test, vi } from "vitest"
import { loadNative } from "../src/native.ts"
import { runtimeOf } from "../src/runtime.ts"

const { bun: _, deno: __, ...node } = process.versions
const [NODE, BUN, DENO] = [runtimeOf(node), runtimeOf({ ...node, bun: "1.4.5" }), runtimeOf({ ...node, deno: "2.9.6" })]

afterEach(() => vi.unstubAllEnvs())

test("batches are for Node: Bun takes sockets of the helper, Deno nothing", () => {
  expect([NODE, BUN, DENO].map(({ helper }) => helper)).toEqual(["batches", "sockets", "nothing"])
  expect([NODE, BUN, DENO].map(({ note }) => note === undefined)).toEqual([true, false, false])
})

test("of the helper only what the runtime takes is handed on: what it lacks can't be called", async () => {
  const { available, canBatch, openSocket } = await import("@x/native")
  const on = async (runtime: typeof NODE): Promise<unknown[]> => {
    const { native } = await loadNative(runtime)
    return [native?.openSocket, native?.canBatch, typeof native?.openChannel, typeof native?.openAlarm]
  }
  const nothing = [undefined, undefined, "undefined", "undefined"]
  expect(await on(NODE)).toEqual(available ? [openSocket, canBatch, "function", "function"] : nothing)
  expect(await on(BUN)).toEqual(available ? [openSocket, undefined, "undefined", "undefined"] : nothing)
  expect(await on(DENO)).toEqual(nothing)
})

test("where nothing is taken the environment isn't read, which a runtime may ask its user about", async () => {
  const env = vi.spyOn(process, "env", "get").mockImplementation(() => {
    throw new Error("not allowed")
  })
  expect(await loadNative(DENO)).toMatchObject({ runtime: DENO, reason: "this runtime takes none" })
  await expect(loadNative(BUN)).rejects.toThrow("not allowed")
  env.mockRestore()
})
