# Turns a unit of src/hafailover/units into what systemd.services takes. Every value is a default, so that a host can
# say otherwise.
{ lib }:
file: values:
let
  unit = lib.importTOML file;
  names = lib.attrNames values;
  fill = lib.replaceStrings (map (name: "@${name}@") names) (map (name: values.${name}) names);
  fillAny =
    value:
    if lib.isString value then
      fill value
    else if lib.isList value then
      map fillAny value
    else
      value;
  ofUnit = unit.Unit;
in
{
  description = lib.mkDefault ofUnit.Description;
  documentation = ofUnit.Documentation;
  wants = ofUnit.Wants;
  after = ofUnit.After;
  wantedBy = unit.Install.WantedBy;
  startLimitIntervalSec = lib.mkDefault ofUnit.StartLimitIntervalSec;
  serviceConfig = lib.mapAttrs (_: value: lib.mkDefault (fillAny value)) unit.Service;
}
