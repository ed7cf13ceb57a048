import { networkInterfaces } from "node:os"

/** Why nothing can be sent to this machine over v6; `undefined`: that works. For the `skip` of a test. */
export const noV6: string | undefined = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
)
  ? undefined
  : "IPv6 is off on loopback"
