// Names of requests and answers. A client's own x-request-id is taken over where it is safe to log and echo.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const safe = /^[\x21-\x7e]{1,128}$/;

export function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && safe.test(given) ? given : `req_${randomText(24)}`;
}

export const completionId = () => `cmpl-${randomText(24)}`;

export const chatCompletionId = () => `chatcmpl-${randomText(24)}`;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ab';

/** `length` letters and digits at random; 64 characters, so that a byte's low six bits choose one. */
export function randomText(length: number): string {
  let text = '';
  for (const byte of randomBytes(length)) text += alphabet[byte & 63];
  return text;
}
