# Not in nixpkgs. The wheel, since the sdist needs `setuptools.command.test`, which setuptools 72 dropped.
{
  lib,
  buildPythonPackage,
  fetchPypi,
  requests,
  six,
}:

buildPythonPackage rec {
  pname = "python-consul2";
  version = "0.1.5";
  format = "wheel";

  src = fetchPypi {
    pname = "python_consul2";
    inherit version;
    format = "wheel";
    dist = "py2.py3";
    python = "py2.py3";
    hash = "sha256-/4xmQsWo1fE6By6QrbrUTN6CT8Rvsqt2tA3Rx31sDEE=";
  };

  dependencies = [
    requests
    six
  ];

  pythonImportsCheck = [ "consul" ];

  meta = {
    description = "Python client for Consul";
    homepage = "https://github.com/poppyred/python-consul2";
    license = lib.licenses.mit;
  };
}
