"""The Prober's command line: `python main.py fit --config configs/conv2_ch3.yaml`."""

import os
import sys

if __name__ == "__main__":
    if sys.getfilesystemencoding() != "utf-8" and hasattr(os, "execv"):
        # Folders have names in UTF-8, whatever the locale says; Python settles that as it starts.
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    try:
        from prober.cli.main import main
    except KeyboardInterrupt:  # before `main` hears it
        sys.exit(130)
    main()
