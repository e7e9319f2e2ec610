// Tensors, caches and weights of a group of cases, freed together.

export class Owner implements Disposable {
  readonly #owned: Disposable[] = [];

  own<T extends Disposable>(resource: T): T {
    this.#owned.push(resource);
    return resource;
  }

  [Symbol.dispose](): void {
    for (const resource of this.#owned) resource[Symbol.dispose]();
  }
}
