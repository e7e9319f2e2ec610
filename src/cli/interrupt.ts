// Ctrl-C as an AbortSignal, for as long as a command wants it; a second Ctrl-C ends the process at once.

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

export function interruptSignal(): Interrupt {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      process.off('SIGINT', onSignal);
    },
  };
}
