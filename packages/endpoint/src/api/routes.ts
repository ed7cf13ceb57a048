/**
 * Which consumer gets which message: counts the changes, so that a result can be remembered until the next change. Code
 * that keeps handlers or readers reports each change.
 */
export class Routes {
  version = 0

  change(): void {
    this.version++
  }
}
