# Adds `hafailover` and `localneard`, the stand-in for neard that tests and demo run.
final: prev: {
  pythonPackagesExtensions = prev.pythonPackagesExtensions ++ [
    (python: _: { python-consul2 = python.callPackage ./packages/python-consul2.nix { }; })
  ];

  hafailover = final.callPackage (import ./packages/hafailover.nix { withLocalnet = false; }) { };

  localneard = final.callPackage (import ./packages/hafailover.nix { withLocalnet = true; }) { };
}
