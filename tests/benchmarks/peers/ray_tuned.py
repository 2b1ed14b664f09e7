"""Ray Serve with a replica for each core, minibatches, one thread each and bf16. Argument: the port."""

import os
import sys

from ray import serve
from usual import classes, pixels, tuned_network

CORES = len(os.sched_getaffinity(0))


@serve.deployment(
    num_replicas=CORES,
    max_ongoing_requests=32,
    ray_actor_options={"num_cpus": 1},
    logging_config={"enable_access_log": False},
)
class Classifier:
    def __init__(self):
        self.network = tuned_network()

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.005)
    async def classify(self, images):
        return classes(self.network, [pixels(image) for image in images])

    async def __call__(self, request):
        return {"class": await self.classify(await request.body())}


if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Classifier.bind(), blocking=True)
