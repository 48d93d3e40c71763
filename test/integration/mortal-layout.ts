/** The registers of the model `mortal` beside those of the testdev, in the trapped part of BAR2. */
export const MORTAL_REG = { END: 0x700, PID: 0x704 } as const;
/** Values of MORTAL_REG.END: the thread or process exits with code 3 inside the write; it throws some time later. */
export const END = { EXIT: 1, THROW: 2 } as const;
