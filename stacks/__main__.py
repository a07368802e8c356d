"""The program of Pulumi.yaml: the plan comes as one configuration value."""

import pulumi

from planner.plan import from_json
from stacks.deploy import deploy

deploy(from_json(pulumi.Config("cloister").require("plan")))
