#!/bin/bash -e
# Plays pi-gen for one stage, by its contract (README, "How the build process works"): prerun.sh, then of each sub-stage
# debconf, packages and scripts, in the order of their numbers. apt and debconf are recorded instead of run, and a chroot is
# refused, because the stage is to need none.
#   pi-gen-play-stage.sh CHECKOUT STAGE PREVIOUS_ROOTFS WORK_DIR
cd "$1"
BASE_DIR=$1
STAGE_DIR=$1/$2
PREV_ROOTFS_DIR=$3
STAGE_WORK_DIR=$4/$2
ROOTFS_DIR=$STAGE_WORK_DIR/rootfs
RECORD=$4/record
# shellcheck source=/dev/null
. "$1/prose-ship.config"

log() { echo "[$(date +%T)] $*"; }
copy_previous() {
	if [ ! -d "${PREV_ROOTFS_DIR}" ]; then echo 'Previous stage rootfs not found' >&2; false; fi
	mkdir -p "${ROOTFS_DIR}"
	cp -a "${PREV_ROOTFS_DIR}/." "${ROOTFS_DIR}/"
}
on_chroot() { echo 'the stage wants a chroot' >&2; false; }
export BASE_DIR STAGE_DIR PREV_ROOTFS_DIR STAGE_WORK_DIR ROOTFS_DIR
export -f log copy_previous on_chroot

mkdir -p "${STAGE_WORK_DIR}"
: >"${RECORD}"
if [ -x "${STAGE_DIR}/prerun.sh" ]; then "${STAGE_DIR}/prerun.sh"; fi
for substage in "${STAGE_DIR}"/*; do
	if [ ! -d "${substage}" ] || [ -f "${substage}/SKIP" ]; then continue; fi
	cd "${substage}"
	for i in {00..99}; do
		if [ -f "${i}-debconf" ]; then sed "s/^/debconf /" "${i}-debconf" >>"${RECORD}"; fi
		if [ -f "${i}-packages-nr" ]; then sed -e 's/#.*//' -e 's/^/package-nr /' "${i}-packages-nr" >>"${RECORD}"; fi
		if [ -f "${i}-packages" ]; then sed -e 's/#.*//' -e 's/^/package /' "${i}-packages" >>"${RECORD}"; fi
		if [ -x "${i}-run.sh" ]; then log "Begin ${substage##*/}/${i}-run.sh"; ./"${i}-run.sh"; fi
		if [ -f "${i}-run-chroot.sh" ]; then on_chroot; fi
	done
done
# shellcheck source=/dev/null
. "${STAGE_DIR}/EXPORT_IMAGE"
echo "export ${IMG_NAME}${IMG_SUFFIX}" >>"${RECORD}"
