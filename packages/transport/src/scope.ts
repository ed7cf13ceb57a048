import { networkInterfaces } from "node:os"

/**
 * Throws if the scope of an address (`eth0` of `fe80::1%eth0`) names no interface: Node would drop it silently and send
 * elsewhere. On Windows scopes are numbers.
 */
export function checkScope(scope: string, makeError: (message: string) => Error): void {
  if (scope === "") return
  let interfaces: ReturnType<typeof networkInterfaces>
  try {
    interfaces = networkInterfaces()
  } catch {
    // The system doesn't tell, as where the process is out of descriptors.
    return
  }
  if (scope in interfaces) return
  const isNumber = Object.values(interfaces).some((list) =>
    list?.some((entry) => entry.family === "IPv6" && String(entry.scopeid) === scope),
  )
  if (isNumber && process.platform === "win32") return
  throw makeError(`no interface is named "${scope}"; there are ${Object.keys(interfaces).join(", ")}`)
}
