"""voicechart, installed: its rooms lie below this package, so that nothing called `app` lands beside it."""
