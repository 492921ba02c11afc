"""The tables of the lineage store, as numbered migrations.

Content and event are apart: a *version* is what the files are, a *commit* is when
and why they became so. Tables that record history refuse UPDATE and DELETE by
trigger; what may change (working state, run states, refs) has tables of its own.

Rules: a migration, once released, is never edited; a new step is added below it. Each runs
in one transaction together with the record that it was applied.
"""

from sqlite_utils.migrations import Migrations

from pixd.store.schema.m001_lineage import create_lineage
from pixd.store.schema.m002_recall_and_trash import add_recall_and_trash
from pixd.store.schema.m003_holds import add_holds
from pixd.store.schema.m004_file_totals import add_file_totals
from pixd.store.schema.m005_finding_the_next import add_indexes_of_the_next
from pixd.store.schema.m006_care import add_care
from pixd.store.schema.m007_retraining import add_retraining
from pixd.store.schema.m008_taught import add_taught
from pixd.store.schema.m009_early_models import add_early_models
from pixd.store.schema.m010_sweeps import add_sweeps
from pixd.store.schema.m011_removals import add_removals
from pixd.store.schema.m012_exclusions_by_recall import add_exclusions_by_recall

migrations = Migrations("pixd")
migrations(name="m001_lineage")(create_lineage)
migrations(name="m002_recall_and_trash")(add_recall_and_trash)
migrations(name="m003_holds")(add_holds)
migrations(name="m004_file_totals")(add_file_totals)
migrations(name="m005_finding_the_next")(add_indexes_of_the_next)
migrations(name="m006_care")(add_care)
migrations(name="m007_retraining")(add_retraining)
migrations(name="m008_taught")(add_taught)
migrations(name="m009_early_models")(add_early_models)
migrations(name="m010_sweeps")(add_sweeps)
migrations(name="m011_removals")(add_removals)
migrations(name="m012_exclusions_by_recall")(add_exclusions_by_recall)
