import type { Output } from "../output.ts"
import { makeSecret } from "../secret.ts"
import { resolve } from "node:path"

/** Makes a secret for the members of a group: prints it, or writes it to a new file without printing it. */
export async function keygen(file: string | undefined, output: Output): Promise<void> {
  const secret = await makeSecret(file)
  if (file === undefined) output.result(secret, { event: "secret", secret })
  else
    output.result(`a secret is in ${resolve(file)}; give all members a copy, over a channel that nobody reads`, {
      event: "secret",
      file: resolve(file),
    })
}
