/** A Docker engine that answers. */
export interface Engine {
  /** Value of DOCKER_HOST: `unix:///run/docker.sock`. Absent: the client's own default or context is used as it is. */
  readonly dockerHost?: string;
  /** Server version, `26.1.5+dfsg1`. */
  readonly version: string;
  /** Which image store it has: the containerd image store can export OCI layouts through buildx, overlay2 cannot. */
  readonly imageStore: 'containerd' | 'graphdriver';
  /** True for one that prose-ship started for this run. */
  readonly isPrivate: boolean;
  /** Ends a private engine; does nothing to one that was running before. */
  stop(): Promise<void>;
}
