# shellcheck shell=sh
# The parts that every verb needs but those that start or watch a run.

# shellcheck source=run/hooks.sh
. "$parts/run/hooks.sh"
# shellcheck source=rollout/journal.sh
. "$parts/rollout/journal.sh"
# shellcheck source=disk/reserve.sh
. "$parts/disk/reserve.sh"
# shellcheck source=release/signature.sh
. "$parts/release/signature.sh"
# shellcheck source=release/release.sh
. "$parts/release/release.sh"
# shellcheck source=release/secrets.sh
. "$parts/release/secrets.sh"
# shellcheck source=images/images.sh
. "$parts/images/images.sh"
# shellcheck source=images/samples.sh
. "$parts/images/samples.sh"
if [ "$engine_kind" = docker ]; then
  # shellcheck source=engine/docker/socket.sh
  . "$parts/engine/docker/socket.sh"
  # shellcheck source=engine/docker/services.sh
  . "$parts/engine/docker/services.sh"
  # shellcheck source=engine/docker/volumes.sh
  . "$parts/engine/docker/volumes.sh"
  # shellcheck source=engine/docker/images.sh
  . "$parts/engine/docker/images.sh"
  # shellcheck source=engine/docker/inventory.sh
  . "$parts/engine/docker/inventory.sh"
else
  # shellcheck source=engine/none/volumes.sh
  . "$parts/engine/none/volumes.sh"
  # shellcheck source=engine/none/images.sh
  . "$parts/engine/none/images.sh"
  # shellcheck source=engine/none/inventory.sh
  . "$parts/engine/none/inventory.sh"
  # shellcheck source=engine/none/boot.sh
  . "$parts/engine/none/boot.sh"
  # shellcheck source=engine/none/services.sh
  . "$parts/engine/none/services.sh"
  # shellcheck source=engine/none/supervise.sh
  . "$parts/engine/none/supervise.sh"
  # shellcheck source=engine/none/verbs.sh
  . "$parts/engine/none/verbs.sh"
fi
# shellcheck source=services/services.sh
. "$parts/services/services.sh"
# shellcheck source=services/oneshot.sh
. "$parts/services/oneshot.sh"
# shellcheck source=services/control.sh
. "$parts/services/control.sh"
# shellcheck source=data/snapshot.sh
. "$parts/data/snapshot.sh"
# shellcheck source=data/names.sh
. "$parts/data/names.sh"
# shellcheck source=data/volumes.sh
. "$parts/data/volumes.sh"
# shellcheck source=data/journal.sh
. "$parts/data/journal.sh"
# shellcheck source=data/backup.sh
. "$parts/data/backup.sh"
# shellcheck source=data/restore.sh
. "$parts/data/restore.sh"
# shellcheck source=rollout/gate.sh
. "$parts/rollout/gate.sh"
# shellcheck source=rollout/versions.sh
. "$parts/rollout/versions.sh"
# shellcheck source=rollout/order.sh
. "$parts/rollout/order.sh"
# shellcheck source=rollout/start-first.sh
. "$parts/rollout/start-first.sh"
# shellcheck source=rollout/maintenance.sh
. "$parts/rollout/maintenance.sh"
# shellcheck source=probes/probe.sh
. "$parts/probes/probe.sh"
# shellcheck source=probes/json.sh
. "$parts/probes/json.sh"
# shellcheck source=probes/tls.sh
. "$parts/probes/tls.sh"
# shellcheck source=host-files/plan.sh
. "$parts/host-files/plan.sh"
# shellcheck source=host-files/list.sh
. "$parts/host-files/list.sh"
# shellcheck source=host-files/check.sh
. "$parts/host-files/check.sh"
# shellcheck source=host-files/actions.sh
. "$parts/host-files/actions.sh"
# shellcheck source=host-files/health.sh
. "$parts/host-files/health.sh"
# shellcheck source=host-files/apply.sh
. "$parts/host-files/apply.sh"
# shellcheck source=rollout/rollout.sh
. "$parts/rollout/rollout.sh"
# shellcheck source=rollout/recover.sh
. "$parts/rollout/recover.sh"
# shellcheck source=retention/keep.sh
. "$parts/retention/keep.sh"
# shellcheck source=retention/prune.sh
. "$parts/retention/prune.sh"
# shellcheck source=report.sh
. "$parts/report.sh"
