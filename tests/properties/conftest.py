"""Profiles of hypothesis: ``--hypothesis-profile=no-shrink`` asks only whether it fails."""

from hypothesis import Phase, settings

settings.register_profile("no-shrink", phases=[Phase.explicit, Phase.generate])
