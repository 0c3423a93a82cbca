"""Every folder is a package, so that a fixture of scope "package" ends with its folder."""
