#!/bin/sh
# The whole main job on the demo photos:  demo.sh RECON RUN BEGAN BUDGET VIEW
# Without a BUDGET, training ends before ten minutes have passed since BEGAN (seconds of the epoch, before installation).
# A second time, the poses are taken from the first.
set -eu
recon=$1 run=$2 began=$3 budget=$4 view=$5
if [ -z "$budget" ]; then
  left=$((570 - $(date +%s) + began)) # and half a minute for what comes after
  budget=$((left > 210 ? 210 : left < 75 ? 75 : left))s
fi
viewer=--no-viewer
[ -z "$view" ] || viewer=""
"$recon" train --images datasets/studio --output "$run" --budget "$budget" --overwrite $viewer
"$recon" render "$run" --views test --output "$run/views"
cat <<END

Done. To look at it:
  make demo VIEW=1               once more, with the viewer left open; or, at once:
  $recon view $run
  $run/report.html         how good it is, photo by photo
  $run/views/              renders of the photos it was not trained on
  $run/exports/splat.ply   for any other program that shows Gaussian splats
END
if [ -n "$view" ]; then
  exec "$recon" view "$run"
fi
