import type * as Native from "@x/native"

/** The helper, or why there is none. */
export type NativeHelper =
  | {
      readonly native: Pick<typeof Native, "openSocket" | "close"> & Partial<Pick<typeof Native, "canBatch" | "openChannel" | "openAlarm">>
      readonly reason?: undefined
    }
  | { readonly native?: undefined; readonly reason: string }

/** Loads the optional native helper. `X_TRANSPORT=dgram` in the environment does without it. */
export async function loadNative(): Promise<NativeHelper> {
  if (process.env["X_TRANSPORT"] === "dgram") return { reason: "X_TRANSPORT=dgram asks for none" }
  try {
    const native = await import("@x/native")
    return native.available ? { native } : { reason: native.reason ?? "it did not load" }
  } catch (error) {
    return { reason: `@x/native can't be imported: ${(error as Error).message.split("\n", 1)[0]}` }
  }
}
