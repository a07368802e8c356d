# Brings an image from a bundle into Podman's storage, and names it once Podman has found the digest that it should have.
# FOLDER: with the image; REPOSITORY, DIGEST: its name; WANTED: digests of all images that services run from.
set -eu
if [ ! -f "$FOLDER/manifest.json" ]; then
    echo "The bundle holds no image $REPOSITORY@$DIGEST: make it for this profile." >&2
    exit 1
fi
id=$("$PODMAN" pull --quiet "dir:$FOLDER")
found=$("$PODMAN" image inspect --format '{{.Digest}}' "$id")
if [ "$found" != "$DIGEST" ]; then
    "$PODMAN" image rm --force "$id" >/dev/null
    echo "$FOLDER holds the image $found, not $DIGEST: make the bundle again." >&2
    exit 1
fi
"$PODMAN" image inspect --format '{{join .RepoTags "\n"}}' "$id" | while read -r name; do
    case $name in
    ?*) "$PODMAN" untag "$id" "$name" ;;
    esac
done
"$PODMAN" tag "$id" "$REPOSITORY:cloister-$(echo "$DIGEST" | cut -c 8-23)"
# Older ones of ours go, but for those that run still: one can go back to them.
"$PODMAN" images --noheading --no-trunc --format '{{.ID}} {{.Digest}} {{.Tag}}' | while read -r old digest tag; do
    case $tag:$WANTED in
    cloister-*:*"$digest"*) ;;
    cloister-*) "$PODMAN" image rm "$old" >/dev/null 2>&1 || true ;;
    esac
done
