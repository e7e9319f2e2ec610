// The log: one JSON object per line for machines, or one readable line for a terminal. It goes to stderr; stdout belongs
// to what a command was asked for. Prompts are not its business: whoever logs them says so in an option.
import { destination, type Logger, pino } from 'pino';

export interface LoggerOptions {
  readonly level: string;
  readonly format: 'auto' | 'json' | 'text';
}

/** Bytes kept while they cannot be written; later ones are dropped. */
const MAX_UNWRITTEN = 2 ** 20;

export function createLogger({ level, format }: LoggerOptions): Logger {
  const settings = { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` };
  const asText = format === 'text' || (format === 'auto' && process.stderr.isTTY);
  if (!asText) {
    const stderr = destination({ fd: 2, sync: true, maxLength: MAX_UNWRITTEN });
    // A full disk costs the log its lines and nobody an answer.
    stderr.on('error', () => {});
    return pino(settings, stderr);
  }
  return pino(settings, { write: (line) => void process.stderr.write(toText(line)) });
}

const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** `12:00:01 info  message  key=value ...` */
function toText(line: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const values = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : '';
  const clock = String(time).slice(11, 19);
  return `${clock} ${String(levels[Number(level)]).padEnd(5)} ${msg ?? ''}  ${values.join(' ')}${stack}\n`;
}
