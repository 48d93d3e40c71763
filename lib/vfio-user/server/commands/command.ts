import type { Fd } from '../../../kernel/kernel.js';
import type { DmaRanges } from '../dma-ranges.js';
import type { ReceivedFds } from '../received-fds.js';
import type { ServedDevice } from '../served-device.js';

/** The reply to a command. */
export interface Reply {
  /** Default none. */
  readonly payload?: Uint8Array;
  /** Descriptors to send with the reply. They stay the sender's. */
  readonly fds?: readonly Fd[];
}

/** The objects that a command uses. */
export interface CommandContext {
  readonly device: ServedDevice;
  readonly dmaRanges: DmaRanges;
  /** The descriptors that came with the command. */
  readonly fds: ReceivedFds;
  /** Allows the server to send this reply before the command is done, if the command does DMA. */
  readonly allowEarlyReply: (reply: Reply) => void;
}

/**
 * Performs one command.
 * @throws VfioError, whose errno becomes the error reply's; ERR_PROTOCOL becomes EINVAL, any other error EIO
 */
export type Command = (context: CommandContext, payload: Uint8Array) => Reply;
