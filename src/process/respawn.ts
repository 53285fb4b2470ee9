/** How long to wait before a dead worker is replaced. A first death is answered at once; then 0.1 s, doubling to 30 s. A worker
 *  that lived for a minute has shown that it can, and the count begins anew. */
export class Respawn {
  private deaths = 0;

  /** Milliseconds to wait after a worker that lived for `life` milliseconds. */
  delay(life: number): number {
    if (life >= 60_000) this.deaths = 0;
    const wait = this.deaths === 0 ? 0 : Math.min(100 * 2 ** (this.deaths - 1), 30_000);
    this.deaths++;
    return wait;
  }
}
