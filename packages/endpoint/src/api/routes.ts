/**
 * Who gets which message: counts the changes, so that an answer can be remembered until the next one. Whoever keeps
 * handlers or readers says each change.
 */
export class Routes {
  version = 0

  change(): void {
    this.version++
  }
}
