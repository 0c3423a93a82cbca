# lib.mkNeard: neard from the user's own nearcore input. Nothing here has a hash that could go stale: the source is
# locked by the user's flake.lock, the crates by nearcore's Cargo.lock.
#
#   inputs.nearcore = { url = "github:near/nearcore/2.13.3"; flake = false; };
#   mkNeard { inherit pkgs; src = inputs.nearcore; version = "2.13.3"; }
#
# `rustPlatform` can be given where nearcore needs another Rust than that of `pkgs` (its rust-toolchain.toml says
# which). Building takes some 25 minutes on eight cores and more than 1 GB of memory for each of them.
{
  pkgs,
  src,
  version,
  rustPlatform ? pkgs.rustPlatform,
}:
let
  inherit (pkgs) lib;
  neard = rustPlatform.buildRustPackage {
    pname = "neard";
    inherit version src;

    cargoLock = {
      lockFile = "${src}/Cargo.lock";
      # Of its git dependencies nearcore locks the commits; so no hash has to be kept here.
      allowBuiltinFetchGit = true;
    };

    postPatch = ''
      # Cargo.lock stays as it is: cargo drops the edge that is gone, for which it needs no network.
      ${lib.getExe pkgs.python3} ${./without-test-contracts.py} .
    '';

    cargoBuildFlags = [
      "--package=neard"
      "--bin=neard"
    ];

    nativeBuildInputs = [
      pkgs.cmake
      pkgs.pkg-config
      rustPlatform.bindgenHook
    ];

    buildInputs = [
      pkgs.openssl
      pkgs.zlib
    ];

    # cmake is for RocksDB's build script, not for this package's own.
    dontUseCmakeConfigure = true;

    env = {
      # Without it neard warns on mainnet and testnet.
      NEAR_RELEASE_BUILD = "release";
      OPENSSL_NO_VENDOR = "1";
      # The RocksDB among nearcore's crates relies on headers that GCC 15 no longer includes by itself
      # (https://github.com/facebook/rocksdb/issues/13365).
      CXXFLAGS = "-include cstdint";
    };

    # Its tests need the test contracts that are left out, and hours.
    doCheck = false;

    meta = {
      description = "Node of the NEAR protocol";
      homepage = "https://github.com/near/nearcore";
      # The repository's; its libraries are also to be had under MIT or Apache-2.0.
      license = lib.licenses.gpl3Only;
      mainProgram = "neard";
      platforms = lib.platforms.linux;
    };
  };

  # Said when it is built, so that a configuration can be looked at before its inputs are filled in.
  wrongSource = pkgs.runCommand "neard-${version}" { } ''
    echo "mkNeard: src has no Cargo.lock; it must be nearcore's source: a flake input" >&2
    echo 'such as nearcore = { url = "github:near/nearcore/2.13.3"; flake = false; };' >&2
    exit 1
  '';
in
if builtins.pathExists "${src}/Cargo.lock" then neard else wrongSource
