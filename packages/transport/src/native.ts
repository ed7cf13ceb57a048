import type * as Native from "@x/native"
import { type Runtime, runtimeOf } from "./runtime.ts"

/** The native helper, or as much of it as the runtime can use, or the reason why there is none. */
export type NativeHelper = {
  /** Node, unless given. */
  readonly runtime?: Runtime
} & (
  | {
      readonly native: Pick<typeof Native, "openSocket" | "close"> &
        Partial<Pick<typeof Native, "canBatch" | "openChannel" | "openAlarm">>
      readonly reason?: undefined
    }
  | { readonly native?: undefined; readonly reason: string }
)

/** Loads the optional native helper, unless `X_TRANSPORT=dgram` is in the environment. */
export async function loadNative(runtime: Runtime = runtimeOf(process.versions)): Promise<NativeHelper> {
  // Checked before reading the environment: Deno asks its user about that.
  if (runtime.helper === "nothing") return { runtime, reason: "this runtime takes none" }
  if (process.env["X_TRANSPORT"] === "dgram") return { runtime, reason: "X_TRANSPORT=dgram asks for none" }
  try {
    const native = await import("@x/native")
    if (!native.available) return { runtime, reason: native.reason ?? "it did not load" }
    const { openSocket, close } = native
    return { runtime, native: runtime.helper === "batches" ? native : { openSocket, close } }
  } catch (error) {
    return { runtime, reason: `@x/native can't be imported: ${(error as Error).message.split("\n", 1)[0]}` }
  }
}
