import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Alarm } from "../../src/alarm.ts"
import type { Binding } from "../../src/binding.ts"
import { Channel, type ChannelListener } from "../../src/channel.ts"
import type * as Native from "../../src/index.ts"
import { open } from "../../src/open-socket.ts"

/** The calls of the helper that can be made to fail (`faults/faults.h`). */
export const CALLS = [
  ...(["socket", "setsockopt", "getsockopt", "bind", "getsockname", "close", "fstat", "poll"] as const),
  ...(["sendmsg", "sendmmsg", "recvmmsg", "timerfd_create", "timerfd_settime", "timerfd_gettime", "read"] as const),
  ...(["uv_poll_init", "uv_poll_start", "malloc", "calloc", "realloc"] as const),
]
export type Call = (typeof CALLS)[number]

export interface FaultyHelper {
  readonly native: Pick<typeof Native, "openSocket" | "close" | "canBatch" | "openChannel" | "openAlarm">
  /** After so many calls, so many fail with this errno, `"EMFILE"`. Returns how many calls there were since the last time. */
  fail(call: Call, passing: number, failing: number, code: string): number
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Compiles a helper whose calls of the system can be made to fail. Throws what the compiler says. */
export function buildFaultyHelper(): FaultyHelper {
  const require = createRequire(import.meta.url)
  const headers = (require("node-api-headers") as { include_dir: string }).include_dir
  const [sources, faults] = [path("../../src/c"), path("../faults")]
  const units = readdirSync(sources).filter((name) => name.endsWith(".c") && name !== "module.c")
  const folder = mkdtempSync(join(tmpdir(), "x-native-faults-"))
  try {
    const binary = join(folder, "x-native.node")
    const { status, stderr } = spawnSync(
      process.env["CC"] ?? "cc",
      [
        ...["-std=c11", "-O1", "-fPIC", "-shared", "-D_GNU_SOURCE", "-DNAPI_VERSION=8", "-fvisibility=hidden"],
        ...[`-I${headers}`, `-I${sources}`, `-I${faults}`, "-include", join(faults, "faults.h"), "-o", binary],
        ...[join(faults, "faults.c"), ...units.map((name) => join(sources, name))],
      ],
      { encoding: "utf8" },
    )
    if (status !== 0) throw new Error(stderr)
    return helperOf(require(binary) as Binding & { failCalls(...given: unknown[]): number })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function helperOf(binding: Binding & { failCalls(...given: unknown[]): number }): FaultyHelper {
  return {
    native: {
      canBatch: true,
      openSocket: (options) => open(binding, options),
      close: (fd) => binding.close(fd),
      openChannel: (listener: ChannelListener) => new Channel(binding, listener),
      openAlarm: (ring) => new Alarm(binding, ring),
    },
    fail: (call, passing, failing, code) =>
      binding.failCalls(call, passing, failing, constants.errno[code as keyof typeof constants.errno]),
  }
}
