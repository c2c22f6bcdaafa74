<?php
// Makes the tables and the one member. Arguments: the site's folder, host:port, the member's name and password.
$_SERVER['HTTP_HOST'] = $argv[2];
define('WP_INSTALLING', true);
require "$argv[1]/wp-load.php";
[,,, $name, $password] = $argv;
require ABSPATH . 'wp-admin/includes/upgrade.php';
add_filter('pre_wp_mail', '__return_true');
wp_install("doorkey's tests", $name, 'ada@blog.invalid', false, '', wp_slash($password));
