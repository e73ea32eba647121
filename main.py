"""The Prober's command line: `python main.py fit --config configs/conv2_ch3.yaml`."""

import sys

if __name__ == "__main__":
    try:
        from prober.cli.main import main
    except KeyboardInterrupt:  # the libraries take seconds to load
        sys.exit(130)
    main()
