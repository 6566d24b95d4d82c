#!/usr/bin/env bash
# Prepares a project for quantlabel on Dataflow: services, registry, service account, the least roles, private network.
# Prints the commands; with --go it runs them. Each may be run again.
#
#   PROJECT=my-project REGION=europe-west1 INPUT_BUCKET=photos OUTPUT_BUCKET=labels LAUNCHER=user:ann@example.com \
#       deploy/dataflow/prepare.sh [--go]
set -euo pipefail

: "${PROJECT:?the id of the project that runs the jobs}"
: "${REGION:?the region of the buckets, as europe-west1}"
: "${INPUT_BUCKET:?the bucket with the pictures, without gs://}"
: "${OUTPUT_BUCKET:?the bucket for rows and temporary files, without gs://}"
: "${LAUNCHER:?who submits jobs, as user:ann@example.com or serviceAccount:...}"
WORKER=quantlabel-worker@$PROJECT.iam.gserviceaccount.com
NETWORK=quantlabel

case "${1:-}" in
    --go) run() { "$@"; } ;;
    "") run() { printf '%q ' "$@"; echo; } ;;
    *) echo "$1: expected --go or nothing" >&2; exit 2 ;;
esac

# What is there already is no error; what is missing then fails in the commands that need it.
make_once() {
    run "$@" || echo "not made: $*" >&2
}

run gcloud services enable dataflow.googleapis.com compute.googleapis.com artifactregistry.googleapis.com --project "$PROJECT"
make_once gcloud artifacts repositories create quantlabel --repository-format docker --location "$REGION" --project "$PROJECT"
make_once gcloud iam service-accounts create quantlabel-worker --display-name "quantlabel's workers" --project "$PROJECT"

# Workers: take work, read the pictures, write rows and temporary files, pull the image. Nothing else.
run gcloud projects add-iam-policy-binding "$PROJECT" --member "serviceAccount:$WORKER" --role roles/dataflow.worker --condition None
run gcloud storage buckets add-iam-policy-binding "gs://$INPUT_BUCKET" --member "serviceAccount:$WORKER" --role roles/storage.objectViewer
run gcloud storage buckets add-iam-policy-binding "gs://$OUTPUT_BUCKET" --member "serviceAccount:$WORKER" --role roles/storage.objectUser
run gcloud artifacts repositories add-iam-policy-binding quantlabel --location "$REGION" --project "$PROJECT" \
    --member "serviceAccount:$WORKER" --role roles/artifactregistry.reader

# Who launches: submits jobs, lets them run as the workers' account, lists the pictures, writes the graph and the lock.
run gcloud projects add-iam-policy-binding "$PROJECT" --member "$LAUNCHER" --role roles/dataflow.developer --condition None
run gcloud iam service-accounts add-iam-policy-binding "$WORKER" --project "$PROJECT" --member "$LAUNCHER" --role roles/iam.serviceAccountUser
run gcloud storage buckets add-iam-policy-binding "gs://$INPUT_BUCKET" --member "$LAUNCHER" --role roles/storage.objectViewer
run gcloud storage buckets add-iam-policy-binding "gs://$OUTPUT_BUCKET" --member "$LAUNCHER" --role roles/storage.objectUser

# Workers without public addresses reach Google's services through the subnet, and each other on two ports.
make_once gcloud compute networks create "$NETWORK" --subnet-mode custom --project "$PROJECT"
make_once gcloud compute networks subnets create "$NETWORK" --network "$NETWORK" --region "$REGION" --range 10.128.0.0/20 \
    --enable-private-ip-google-access --project "$PROJECT"
make_once gcloud compute firewall-rules create "$NETWORK-workers" --network "$NETWORK" --direction INGRESS --allow tcp:12345-12346 \
    --source-tags dataflow --target-tags dataflow --project "$PROJECT"

# Temporary files are deleted all the time: with soft delete each would be paid for a week more.
run gcloud storage buckets update "gs://$OUTPUT_BUCKET" --clear-soft-delete
