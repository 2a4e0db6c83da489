#!/bin/sh
# The whole main job on the demo photos:  demo.sh RECON RUN BUDGET VIEW
set -eu
recon=$1 run=$2 budget=$3 view=$4
rm -rf "$run"
"$recon" train --images datasets/studio --output "$run" --budget "$budget" --no-viewer
"$recon" eval "$run"
"$recon" export "$run" --to "$run/exports/scene.ply"
"$recon" render "$run" --views test --output "$run/views"
cat <<END

Done. To look at it:
  $recon view $run     orbit the scene in a browser
  $run/report.html               how good it is, photo by photo
  $run/views/                    renders of the photos it was not trained on
  $run/exports/scene.ply         opens in any viewer of Gaussian splats
END
if [ -n "$view" ]; then
  exec "$recon" view "$run"
fi
