#!/usr/bin/env bash
# Copy a version's images to ECR, upload its release, and start the pipeline with it. Images keep their digests.
#
#   publish.sh VERSION SOURCE_REGISTRY BUCKET                     # with the credentials of production's account
set -euo pipefail
version=$1 source=$2 bucket=$3
cd "$(dirname "$0")/../.."

account=$(aws sts get-caller-identity --query Account --output text)
region=${AWS_REGION:?name the region of the pipeline}
registry=$account.dkr.ecr.$region.amazonaws.com
aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"

images=()
for name in operator gateway file-sync jobs; do
  digest=$(docker buildx imagetools inspect "$source/$name:$version" --format '{{json .Manifest}}' | jq -er .digest)
  # A tag in ECR never changes, so a repeated run finds its image.
  docker buildx imagetools inspect "$registry/tenantry/$name@$digest" >/dev/null 2>&1 ||
    docker buildx imagetools create --tag "$registry/tenantry/$name:$version" "$source/$name@$digest"
  images+=("$name=$registry/tenantry/$name@$digest")
done

make bundle IMAGES="${images[*]}"
key=releases/$version.zip
# S3 refuses to replace a release. A repeated run starts the pipeline with the release that is there.
if ! answer=$(aws s3api put-object --bucket "$bucket" --key "$key" \
  --body "build/tenantry-$version.zip" --if-none-match '*' 2>&1); then
  [[ $answer == *PreconditionFailed* ]] || { echo "$answer" >&2; exit 1; }
  echo "$key exists already."
fi
aws codepipeline start-pipeline-execution --name tenantry \
  --source-revisions "actionName=Release,revisionType=S3_OBJECT_KEY,revisionValue=$key"
