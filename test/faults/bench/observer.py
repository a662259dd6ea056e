"""Judges a host of the kill matrix from the side: asks its services, its engine and its disk, never the updater.

usage: observer.py REQUEST     (a JSON object: releases, acknowledged, forgiven, wayBack, strict, budget, waitSeconds)
Prints a JSON object: violations (a list of sentences), end (the ID that runs), records, engineBytes, layers.
It knows the device's paths and the plan's lines from docs/internals/device.md and shares no code with what it judges.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

STATE = "/var/lib/prose-ship"
ENGINE = "/var/lib/docker"
PROJECT = "records"
PORTS = {"page": 8081, "records": 8080}
DATA = f"{ENGINE}/volumes/{PROJECT}_data/_data"

# What a release's files for the host are, and what the program there has taken in of them (reader.sh).
HOST_FILES = "/etc/records"
TAKEN_IN = "/var/taken-in"

violations = []


def wrong(text):
    violations.append(text)


def docker(*words):
    done = subprocess.run(["/usr/bin/docker", *words], capture_output=True, text=True)
    if done.returncode:
        wrong(f"docker {words[0]}: {done.stderr.strip()}")
    return done.stdout.split("\n")[:-1]


def plan(release):
    """The lines of a release's plan by directive."""
    lines = {}
    with open(f"{STATE}/releases/{release}/plans/linux-amd64.plan") as file:
        for line in file:
            directive, *fields = line.rstrip("\n").split("\t")
            lines.setdefault(directive, []).append(fields)
    return lines


def link(name):
    try:
        return os.path.basename(os.readlink(f"{STATE}/{name}"))
    except OSError:
        return None


def answer(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=2) as response:
            return response.read().decode().strip() if response.status == 200 else None
    except Exception:
        return None


def running():
    """Image references of the project's running containers by service; anything else in the engine is a stray."""
    found = {}
    form = '{{.ID}}\t{{.State}}\t{{.Image}}\t{{.Label "com.docker.compose.project"}}\t{{.Label "com.docker.compose.service"}}'
    for line in docker("ps", "-a", "--no-trunc", "--format", form):
        container, state, image, project, service = line.split("\t")
        if project != PROJECT or state != "running" or service in found:
            wrong(f"stray container {container[:12]}: {state}, {image}, project '{project}', service '{service}'")
        else:
            found[service] = image
    return found


def check_release(release, what):
    """Whole on the disk, and every image in the engine with the planned layers."""
    folder = f"{STATE}/releases/{release}"
    try:
        with open(f"{folder}/SHA256SUMS") as file:
            for line in file:
                digest, path = line[:64], line[66:].rstrip("\n")
                if path.startswith("images/") or path == "sbom.cdx.json":
                    continue
                with open(f"{folder}/{path}", "rb") as content:
                    if hashlib.sha256(content.read()).hexdigest() != digest:
                        wrong(f"{what} {release}: {path} is damaged")
        for _, reference, _, layers in plan(release)["image"]:
            done = docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", reference)
            if not done or json.loads(done[0]) != layers.split(","):
                wrong(f"{what} {release}: image {reference} is not there with its layers")
    except OSError as error:
        wrong(f"{what} {release} is not whole: {error}")


def check_runs(allowed):
    """Exactly one release runs, whole and answering, and it is the one that `current` names."""
    current = link("current")
    if current not in allowed:
        wrong(f"current is {current}, not one of {', '.join(allowed)}")
        return current
    check_release(current, "current release")
    try:
        lines = plan(current)
    except OSError:
        return current
    containers = running()
    images = {component: reference for component, reference, _, _ in lines["image"]}
    expected = {service: images[component] for service, component in (fields[:2] for fields in lines["service"])}
    for service in sorted(expected.keys() | containers.keys()):
        if containers.get(service) != expected.get(service):
            wrong(f"service {service} runs {containers.get(service)}, the current release has {expected.get(service)}")
    for service, port in PORTS.items():
        said = answer(port)
        # example/page:1.2.0-0123456789ab
        version = images[service].rsplit(":")[-1].rsplit("-", 1)[0]
        if said != version:
            wrong(f"{service} answers {said}, the current release has {version}")
    check_host_files(current, lines)
    return current


def contents(folder):
    found = {}
    for place, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(place, name)) as file:
                found[os.path.join(place, name)[len(folder) + 1:]] = file.read()
    return found


def check_host_files(current, lines):
    """The host has the files of the current release, no others, and who reads them has read these."""
    wanted = {}
    for digest, name, path, _ in lines.get("hostfile", []):
        with open(f"{STATE}/releases/{current}/files/{digest}/{name}") as file:
            wanted[path[len(HOST_FILES) + 1:]] = file.read()
    for folder, what in ((HOST_FILES, "host files are"), (TAKEN_IN, "taken in were")):
        found = contents(folder)
        if found != wanted:
            wrong(f"{what} {found}, the current release has {wanted}")
    if os.path.exists(f"{STATE}/host-files.d/due"):
        wrong("an action for host files is still due")
    if not wanted and os.path.exists(f"{STATE}/host-files"):
        wrong("host files are listed, the current release has none")


def check_data(current, acknowledged, forgiven):
    """Every acknowledged record is there, but for those that only an abandoned release with other data has taken."""
    try:
        with open(f"{DATA}/records") as file:
            kept = set(file.read().split("\n"))
        with open(f"{DATA}/format") as file:
            found = file.read().strip()
        with open(acknowledged) as file:
            promised = [line.split() for line in file.read().split("\n")[:-1]]
        wanted = plan(current)["data"][0][0]
    except (OSError, KeyError) as error:
        wrong(f"data: {error}")
        return 0
    if found != wanted:
        wrong(f"the data has format {found}, the current release has {wanted}")
    if not promised:
        wrong("no record was ever acknowledged, so that nothing can be said of the data")
    abandoned = set(forgiven) - {plan(current)["version"][0][0]}
    lost = [number for number, version in promised if number not in kept and version not in abandoned]
    if lost:
        wrong(f"{len(lost)} of {len(promised)} acknowledged records are lost, the first is {lost[0]}")
    return len(promised)


def check_way_back(current, wanted):
    """What a rollback needs: the previous release whole with its images, and the data from before where it changed."""
    previous = link("previous")
    if not wanted:
        return
    if previous is None or previous == current:
        wrong(f"no way back: previous is {previous}")
        return
    check_release(previous, "previous release")
    try:
        before, now = (int(plan(one)["data"][0][0]) for one in (previous, current))
        if before < now:
            with open(f"{STATE}/snapshots/{current}/{PROJECT}_data/format") as file:
                copied = file.read().strip()
            if copied != str(before):
                wrong(f"the copy for the way back has format {copied}, the previous release has {before}")
    except OSError as error:
        wrong(f"no way back: {error}")


def check_leaks(budget):
    """After `prune` nothing stays that no kept release needs."""
    kept = [one for one in os.listdir(f"{STATE}/releases")]
    if len(kept) > budget["releases"] or not {link("current"), link("previous")} <= set(kept):
        wrong(f"releases that stay: {', '.join(sorted(kept))}")
    for folder, _, files in os.walk(STATE):
        for name in files + [os.path.basename(folder)]:
            if re.search(r"\.(new|part|chunks|old.*)$|^\.old", name):
                wrong(f"leftover {folder}/{name}")
    for name in os.listdir(f"{STATE}/incoming"):
        wrong(f"leftover {STATE}/incoming/{name}")
    for name in os.listdir(f"{STATE}/snapshots"):
        if name not in kept:
            wrong(f"leftover snapshot {name}")
    if len(os.listdir(f"{STATE}/log")) > budget["logs"]:
        wrong(f"{len(os.listdir(f'{STATE}/log'))} logs stay")
    for name in os.listdir("/tmp"):
        if name.startswith("updater-"):
            wrong(f"leftover /tmp/{name}")
    for folder in (f"{ENGINE}/tmp", f"{ENGINE}/containerd/daemon/io.containerd.content.v1.content/ingest"):
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            wrong(f"leftover {folder}/{name}")
    known = {image[1] for release in kept for image in plan(release)["image"]}
    for name in docker("image", "ls", "-a", "--format", "{{.Repository}}:{{.Tag}}"):
        if name not in known:
            wrong(f"stray image {name}")
    volumes = docker("volume", "ls", "-q")
    if volumes != [f"{PROJECT}_data"]:
        wrong(f"volumes: {', '.join(volumes)}")
    layers = {layer for release in kept for image in plan(release)["image"] for layer in image[3].split(",")}
    return len(layers)


def layer_folders():
    """Layers on the disk of the overlay2 store; two more of each container are its own."""
    folder = f"{ENGINE}/overlay2"
    if not os.path.isdir(folder):
        return None
    own = sum(1 for name in os.listdir(folder) if name.endswith("-init"))
    return len([name for name in os.listdir(folder) if name != "l"]) - 2 * own


def size(folder):
    done = subprocess.run(["du", "-sB1", "--exclude=volumes", folder], capture_output=True, text=True)
    return int(done.stdout.split("\t")[0])


def judge(request):
    del violations[:]
    current = check_runs(request["releases"])
    records = check_data(current, request["acknowledged"], request["forgiven"]) if current else 0
    check_way_back(current, request["wayBack"])
    result = {"end": current, "records": records}
    if request["strict"]:
        layers = check_leaks(request["budget"])
        folders = layer_folders()
        if folders is not None and folders > layers:
            wrong(f"{folders} layers on the disk, {layers} are needed")
        result["engineBytes"] = size(ENGINE)
    return {"violations": list(violations), **result}


request = json.loads(sys.argv[1])
deadline = time.monotonic() + request["waitSeconds"]
verdict = judge(request)
# A restart policy or a slow machine may need a moment; what is lost does not come back by waiting.
while verdict["violations"] and time.monotonic() < deadline:
    time.sleep(0.3)
    verdict = judge(request)
print(json.dumps(verdict))
